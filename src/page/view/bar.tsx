import type { VNode } from 'preact';

export interface BarPart {
  readonly share: number;
  readonly kind: 'done' | 'models' | 'other' | 'reserved' | 'used';
}

type BarProps = {
  readonly parts: readonly BarPart[];
  /** What it shows, in words. */
  readonly label: string;
} & (
  | {
      /** Something that comes to an end: from 0 to 1; undefined where it is not known how far it is. */
      readonly progress: number | undefined;
    }
  | {
      /** Something that goes up and down: from 0 to 1, and what that is. */
      readonly meter: { readonly share: number; readonly text: string };
    }
);

export function Bar(props: BarProps): VNode {
  const { parts, label } = props;
  return (
    <div class="bar" aria-label={label} aria-valuemin={0} aria-valuemax={100} {...roleOf(props)}>
      {parts.map(({ share, kind }) => (
        <span key={kind} class={kind} style={{ width: `${Math.min(100, share * 100)}%` }} />
      ))}
    </div>
  );
}

function roleOf(props: BarProps) {
  if ('meter' in props) {
    const { share, text } = props.meter;
    return { role: 'meter', 'aria-valuenow': Math.round(share * 100), 'aria-valuetext': text } as const;
  }
  const { progress } = props;
  const value = progress === undefined ? {} : { 'aria-valuenow': Math.floor(progress * 100) };
  return { role: 'progressbar', ...value } as const;
}
