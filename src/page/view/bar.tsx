import type { VNode } from 'preact';

export interface BarPart {
  readonly share: number;
  readonly kind: 'done' | 'models' | 'other' | 'reserved';
}

interface BarProps {
  readonly parts: readonly BarPart[];
  /** What it shows, in words. */
  readonly label: string;
  /** For progress: from 0 to 1. */
  readonly progress?: number;
}

export function Bar({ parts, label, progress }: BarProps): VNode {
  const value = progress === undefined ? {} : { 'aria-valuenow': Math.floor(progress * 100) };
  return (
    <div class="bar" role={progress === undefined ? 'img' : 'progressbar'} aria-label={label} {...value}>
      {parts.map(({ share, kind }) => (
        <span key={kind} class={kind} style={{ width: `${Math.min(100, share * 100)}%` }} />
      ))}
    </div>
  );
}
