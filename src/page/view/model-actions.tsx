import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Model, Verification } from '../../api/schemas.ts';
import { type ApiClient, ApiProblem, modelPath } from '../api/client.ts';

interface ModelActionsProps {
  readonly model: Model;
  readonly client: ApiClient;
  readonly onDone: () => void;
}

interface Outcome {
  readonly model: string;
  readonly text: string;
  readonly isBad: boolean;
}

/** What this node can do with the model. Nothing here deletes: that is for the command line. */
export function ModelActions({ model, client, onDone }: ModelActionsProps): VNode {
  const [busy, setBusy] = useState<string | undefined>(undefined);
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const path = modelPath(model.id);
  const run = (name: string, work: () => Promise<string>): void => {
    setBusy(name);
    setOutcome(undefined);
    work()
      .then(
        (text) => setOutcome({ model: model.id, text, isBad: false }),
        (error: unknown) => setOutcome({ model: model.id, text: textOf(error), isBad: true }),
      )
      .finally(() => {
        setBusy(undefined);
        onDone();
      });
  };
  const button = (name: string, work: () => Promise<string>): VNode => (
    <button type="button" disabled={busy !== undefined} onClick={() => run(name, work)}>
      {busy === name ? `${name} …` : name}
    </button>
  );
  const isHere = model.state === 'installed';
  return (
    <div class="actions">
      {!isHere && !model.wanted
        ? button('Get here', async () => {
            await client.send('PUT', `${path}/want`);
            return 'It is wanted here now.';
          })
        : null}
      {!isHere && model.wanted
        ? button('Do not get', async () => {
            await client.send('DELETE', `${path}/want`);
            return 'It is not wanted here any more.';
          })
        : null}
      {button(model.pinned ? 'Unpin' : 'Pin', async () => {
        await client.send(model.pinned ? 'DELETE' : 'PUT', `${path}/pin`);
        return model.pinned ? 'It may be removed again.' : 'It stays here.';
      })}
      {isHere
        ? button('Verify', async () => {
            const { ok, files } = (await client.send('POST', `${path}/verify`)) as Verification;
            const bad = files.filter((file) => !file.ok).map((file) => file.path);
            if (ok) return 'Every byte is as it should be.';
            throw new Error(`Damaged: ${bad.join(', ')}`);
          })
        : null}
      <span role="status" class={outcome?.isBad === true ? 'bad' : 'good'}>
        {outcome?.model === model.id ? outcome.text : ''}
      </span>
    </div>
  );
}

function textOf(error: unknown): string {
  if (error instanceof ApiProblem) return [error.message, error.remedy].filter(Boolean).join(' ');
  return error instanceof Error ? error.message : 'It could not be done.';
}
