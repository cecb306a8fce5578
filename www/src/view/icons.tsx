// The page's few drawings. All are decoration: the words beside them say the same.

import type { ComponentChildren } from "preact";

function Icon({ children, size = 20 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"
      stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

type Props = { size?: number };

export const Check = (p: Props) => <Icon {...p}><path d="m5 12.5 4.5 4.5L19 7.5" /></Icon>;
export const Mend = (p: Props) => <Icon {...p}><path d="M12 4 2.8 19.5h18.4Z" /><path d="M12 10v4.2M12 17v.1" /></Icon>;
export const Cross = (p: Props) => <Icon {...p}><path d="m7 7 10 10M17 7 7 17" /></Icon>;
export const Pause = (p: Props) => <Icon {...p}><path d="M9 6v12M15 6v12" /></Icon>;
export const Change = (p: Props) => <Icon {...p}><path d="M4 9h13l-3-3M20 15H7l3 3" /></Icon>;
export const Dots = (p: Props) => <Icon {...p}><path d="M6 12h.01M12 12h.01M18 12h.01" /></Icon>;
export const Lock = (p: Props) => <Icon {...p}><rect x="5" y="11" width="14" height="9" rx="2" /><path d="M8 11V8a4 4 0 0 1 8 0v3" /></Icon>;
export const Open = (p: Props) => <Icon {...p}><path d="M6 3h8l4 4v14H6Z" /><path d="M14 3v4h4M12 17v-6M9.5 13.5 12 11l2.5 2.5" /></Icon>;
export const Folder = (p: Props) => <Icon {...p}><path d="M3 7a2 2 0 0 1 2-2h4l2 2.5h8a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2Z" /></Icon>;
export const Paste = (p: Props) => <Icon {...p}><rect x="5" y="5" width="14" height="16" rx="2" /><path d="M9 5V3h6v2M9 11h6M9 15h4" /></Icon>;
export const Flask = (p: Props) => <Icon {...p}><path d="M9 3h6M10 3v6l-5 9a2 2 0 0 0 1.8 3h10.4A2 2 0 0 0 19 18l-5-9V3M7.5 15h9" /></Icon>;
export const Down = (p: Props) => <Icon {...p}><path d="M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14" /></Icon>;
export const Copy = (p: Props) => <Icon {...p}><rect x="9" y="9" width="11" height="11" rx="2" /><path d="M15 9V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h3" /></Icon>;
export const Sheet = (p: Props) => <Icon {...p}><path d="M7 8V3h10v5M7 17H4v-7a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v7h-3" /><path d="M7 14h10v7H7Z" /></Icon>;
export const Up = (p: Props) => <Icon {...p}><path d="m6 14 6-6 6 6" /></Icon>;
export const Lower = (p: Props) => <Icon {...p}><path d="m6 10 6 6 6-6" /></Icon>;
export const Search = (p: Props) => <Icon {...p}><circle cx="11" cy="11" r="6.5" /><path d="m16 16 4.5 4.5" /></Icon>;
export const Question = (p: Props) => <Icon {...p}><circle cx="12" cy="12" r="9" /><path d="M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.800v.1" /></Icon>;

export function Mark() {
  return (
    <svg class="mark" width="28" height="28" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="mark-field" width="32" height="32" rx="8" />
      <path class="mark-lines" d="M8.5 9.5h15M8.5 14.5h15M8.5 19.5h5.5" fill="none" stroke-width="2.4" stroke-linecap="round" />
      <path class="mark-check" d="m16 21.5 3 3 6-7.5" fill="none" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
