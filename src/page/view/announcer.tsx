import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Connection } from '../api/event-stream.ts';
import { plural } from '../format.ts';
import type { LoggedEvent } from '../state/page-state.ts';

const PERIOD_MS = 5_000;

/** Tells screen readers what happens, but not more often than one can listen. */
export function Announcer({
  events,
  connection,
}: {
  readonly events: readonly LoggedEvent[];
  readonly connection: Connection;
}): VNode {
  const [text, setText] = useState('');
  const newest = useRef(events);
  const told = useRef(0);
  newest.current = events;
  useEffect(() => {
    const timer = setInterval(() => {
      const fresh = newest.current.filter(({ id }) => id > told.current);
      const [last] = fresh;
      if (last === undefined) return;
      told.current = last.id;
      setText(fresh.length === 1 ? last.text : `${plural(fresh.length, 'event')}, the last: ${last.text}`);
    }, PERIOD_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <div class="hidden">
      <div aria-live="polite">{text}</div>
      <div role="status">{connection.kind === 'lost' ? 'Connection lost' : ''}</div>
    </div>
  );
}
