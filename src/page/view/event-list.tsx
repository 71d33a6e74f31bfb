import type { VNode } from 'preact';
import type { LoggedEvent } from '../state/page-state.ts';

const SHOWN = 60;

/** The newest first; each line is kept and filled anew, so that nothing moves under the reader's eyes. */
export function EventList({ events }: { readonly events: readonly LoggedEvent[] }): VNode {
  return (
    <section class="panel events" aria-labelledby="events-title">
      <h2 id="events-title">Events</h2>
      <div class="scroll" tabIndex={0} aria-labelledby="events-title" role="group">
        {events.length === 0 ? <p class="nothing">Nothing has happened since this page was opened.</p> : null}
        <ol>
          {events.slice(0, SHOWN).map(({ atMs, text, tone }, index) => (
            <li key={index} class={tone}>
              <time dateTime={new Date(atMs).toISOString()}>{new Date(atMs).toLocaleTimeString('en-GB')}</time>
              <span title={text}>{text}</span>
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}
