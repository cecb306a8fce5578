// What a verdict is made of.

export type Tone = "good" | "mend" | "bad" | "calm";

export interface Verdict {
  tone: Tone;
  title: string;
  sentence: string;
}
