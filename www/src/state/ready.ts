// The engine: started once, waited for, and started anew when it has died.

import { Engine } from "../engine/engine";
import * as session from "./session";

let engine: Engine | null = null;

export async function startEngine(): Promise<void> {
  try {
    engine = await Engine.start();
    session.noteMeanings.value = engine.notes;
    session.engineState.value = "ready";
  } catch (error) {
    session.engineTrouble.value = error instanceof Error ? error.message : String(error);
    session.engineState.value = "refused";
  }
}

/** Files may be dropped before the engine is up. */
export async function readyEngine(): Promise<Engine> {
  while (engine === null) {
    if (session.engineState.value === "refused") throw new Error(session.engineTrouble.value);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return engine;
}

/** One that has died comes up again; what it was at is lost. */
export function restartIfDead(): void {
  if (engine?.isDead !== true) return;
  engine = null;
  session.engineState.value = "starting";
  void startEngine();
}
