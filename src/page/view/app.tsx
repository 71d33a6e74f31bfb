import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiClient } from '../api/client.ts';
import { Matrix, type Place } from '../matrix/matrix.tsx';
import type { PageState, PageStore } from '../state/page-state.ts';
import { Announcer } from './announcer.tsx';
import { EventList } from './event-list.tsx';
import { Header } from './header.tsx';
import { ModelDetails } from './model-details.tsx';
import { NodePanel } from './node-panel.tsx';
import { NodesPanel } from './nodes-panel.tsx';
import { PeersPanel } from './peers-panel.tsx';
import { Summary } from './summary.tsx';
import { TokenForm } from './token-form.tsx';
import { TransfersPanel } from './transfers-panel.tsx';
import { useFilter } from './use-filter.ts';

interface AppProps {
  readonly store: PageStore;
  readonly client: ApiClient;
  readonly onToken: (token: string) => void;
}

export function App({ store, client, onToken }: AppProps): VNode {
  const state = useStore(store);
  const { connection, table } = state;
  const { filter, setFilter, selection } = useFilter(table);
  const [place, setPlace] = useState<Place | undefined>(undefined);
  const isLocked = connection.kind === 'locked';
  return (
    <div class={`page ${table?.kind ?? 'daemon'}`}>
      <a class="skip" href="#matrix" onClick={focusMatrix}>
        Skip to the matrix
      </a>
      <Header connection={connection} node={state.node} table={table} />
      {isLocked ? <TokenForm wasGiven={connection.wasGiven} onToken={onToken} /> : null}
      <Summary table={table} node={state.node} filter={filter} onFilter={setFilter} />
      <main class={connection.kind === 'lost' || isLocked ? 'board stale' : 'board'} inert={isLocked}>
        <section class="panel fleet" aria-labelledby="fleet-title">
          <Matrix {...{ table, filter, selection, place }} onFilter={setFilter} onPlace={setPlace} />
          {table === undefined || place === undefined ? null : (
            <ModelDetails {...{ table, place, client }} onClose={() => closeDetails(setPlace)} />
          )}
        </section>
        <div class="side">
          <Side state={state} />
        </div>
      </main>
      <Announcer events={state.events} connection={connection} />
    </div>
  );
}

function Side({ state }: { readonly state: PageState }): VNode {
  const { table, node } = state;
  return (
    <>
      <TransfersPanel {...state} />
      {table?.kind === 'orchestrator' ? <NodesPanel {...state} table={table} /> : <PeersPanel {...state} />}
      {table?.kind === 'orchestrator' ? null : <NodePanel node={node} origins={state.origins} />}
      <EventList events={state.events} />
    </>
  );
}

function useStore(store: PageStore): PageState {
  const [state, setState] = useState(store.state);
  useEffect(() => {
    // Something may have come before this effect ran.
    setState(store.state);
    return store.subscribe(() => setState(store.state));
  }, [store]);
  return state;
}

function focusMatrix(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#matrix [tabindex="0"]')?.focus();
}

function closeDetails(setPlace: (place: undefined) => void): void {
  setPlace(undefined);
  document.querySelector<HTMLElement>('#matrix [tabindex="0"]')?.focus();
}
