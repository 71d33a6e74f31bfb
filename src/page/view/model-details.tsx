import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Model } from '../../api/schemas.ts';
import { type ApiClient, ApiProblem, modelPath } from '../api/client.ts';
import { formatBytes, plural } from '../format.ts';
import { cellText } from '../matrix/cell-text.ts';
import type { Place } from '../matrix/matrix.tsx';
import { type FleetTable, isOnline } from '../state/fleet-table.ts';
import { ModelActions } from './model-actions.tsx';

interface ModelDetailsProps {
  readonly table: FleetTable;
  readonly place: Place;
  readonly client: ApiClient;
  readonly onClose: () => void;
}

const NAMES_SHOWN = 24;

/** What is known of the model that was chosen, and what can be done about it here. */
export function ModelDetails({ table, place, client, onClose }: ModelDetailsProps): VNode {
  const index = table.models.findIndex(({ id }) => id === place.model);
  const known = table.models[index];
  const node = table.nodes.findIndex(({ id }) => id === place.node);
  const [local, refresh, problem] = useLocalModel(table, place.model, client);
  const holders = table.nodes.filter((one, at) => isOnline(one) && table.isInstalled(at, index)).map(({ id }) => id);
  const digest = local?.digest ?? known?.digest;
  return (
    <section
      class="details"
      aria-label={`Details of ${place.model}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <div class="line">
        <h3 title={place.model}>{place.model}</h3>
        <button type="button" class="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      <dl>
        {node < 0 ? null : (
          <>
            <dt>On {place.node}</dt>
            <dd>{cellText(table.stateOf(node, index), table.cell(node, index))}</dd>
          </>
        )}
        <dt>Content</dt>
        <dd>
          <span class="number">{known?.sizeBytes === undefined ? 'size unknown' : formatBytes(known.sizeBytes)}</span>
          {digest === undefined ? null : <code title={digest}>{`${digest.slice(0, 19)}…`}</code>}
          {local === undefined ? null : <span class="quiet">{describe(local)}</span>}
        </dd>
        <dt>On {plural(holders.length, 'node')}</dt>
        <dd class="holders">
          {holders.slice(0, NAMES_SHOWN).join(', ')}
          {holders.length > NAMES_SHOWN ? ` and ${holders.length - NAMES_SHOWN} more` : ''}
          {holders.length === 1 && table.nodes.length > 1 ? <code>shoal get {quoted(place.model)}</code> : null}
        </dd>
        {local?.problem === undefined ? null : (
          <>
            <dt>Problem</dt>
            <dd class="bad">
              {local.problem.message} {local.problem.remedy}
            </dd>
          </>
        )}
      </dl>
      {local === undefined ? null : <ModelActions model={local} client={client} onDone={refresh} />}
      {problem === undefined ? null : <p class="bad">{problem}</p>}
    </section>
  );
}

function useLocalModel(
  table: FleetTable,
  id: string,
  client: ApiClient,
): readonly [Model | undefined, () => void, string | undefined] {
  const [model, setModel] = useState<Model | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (table.kind !== 'daemon') return;
    let isCurrent = true;
    client.get<Model>(modelPath(id)).then(
      (found) => {
        if (!isCurrent) return;
        setModel(found);
        setProblem(undefined);
      },
      (error: unknown) => {
        if (isCurrent && error instanceof ApiProblem) setProblem(error.message);
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [id, table.kind, table.revision, turn]);
  return [model?.id === id ? model : undefined, () => setTurn((before) => before + 1), problem];
}

function describe({ files, metadata = {}, origins }: Model): string {
  const { format, family, architecture, quantisation } = metadata;
  const kind = [format, family ?? architecture, quantisation].filter((one) => one !== undefined).join(' ');
  return [kind, plural(files.length, 'file'), ...(origins.length > 0 ? ['on an origin'] : [])]
    .filter(Boolean)
    .join(', ');
}

function quoted(id: string): string {
  return /^[\w./@:+-]+$/.test(id) ? id : `'${id.replaceAll("'", "'\\''")}'`;
}
