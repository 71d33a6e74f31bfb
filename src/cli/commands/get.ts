import type { Model } from '../../api/schemas.ts';
import { formatBytes } from '../../util/bytes.ts';
import { ShoalError } from '../../util/errors.ts';
import { modelPath } from '../api-client.ts';
import { AwaitedModel } from '../awaited-model.ts';
import type { ClientCommand, CommandParts } from '../command.ts';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { type Followed, followModels } from '../follow-models.ts';
import { describeError, errorDocument } from '../output.ts';
import { createProgress } from '../progress.ts';

/** Wants each model here; those that fail do not keep the others from it, and the first failure is the exit code. */
export const get: ClientCommand<{ wait?: boolean }> = async (parts, names, { wait = false }) => {
  const { wanted, refused } = await wantAll(parts, names);
  const firstRefusal = refused[0] === undefined ? EXIT.done : exitCodeOf(refused[0].error);
  const refusals = refused.map(({ name, error }) => ({ id: name, state: 'missing', error: errorDocument(error) }));
  if (wait) return waitForAll(parts, wanted, { code: firstRefusal, documents: refusals });
  if (parts.json) parts.out.json({ models: [...wanted, ...refusals] });
  else {
    for (const model of wanted) {
      const installed = model.state === 'installed';
      const size = formatBytes(model.sizeBytes);
      const next = installed ? 'installed already' : `${model.state}; "shoal transfers" shows how it goes`;
      parts.out.line(`${model.id}: ${size}, ${next}`);
    }
  }
  return firstRefusal;
};

interface Refusal {
  readonly name: string;
  readonly error: unknown;
}

async function wantAll(
  { api, out, signal }: CommandParts,
  names: readonly string[],
): Promise<{ wanted: Model[]; refused: Refusal[] }> {
  const wanted = new Map<string, Model>();
  const refused: Refusal[] = [];
  for (const name of names) {
    try {
      const model = await api.put<Model>(modelPath(name, 'want'), signal);
      wanted.set(model.id, model); // two names may mean the same model
    } catch (error) {
      if (signal.aborted || exitCodeOf(error) === EXIT.unreachable) throw error;
      out.line(`shoal: ${name}: ${describeError(error)}`);
      refused.push({ name, error });
    }
  }
  return { wanted: [...wanted.values()], refused };
}

async function waitForAll(
  { api, out, json, signal }: CommandParts,
  wanted: readonly Model[],
  before: { readonly code: number; readonly documents: readonly object[] },
): Promise<number> {
  const models = wanted.map((model) => new AwaitedModel(model, performance.now()));
  const followed: Followed = { installed: [], failed: [] };
  let failure: unknown;
  {
    using progress = createProgress(out);
    try {
      await followModels(models, { api, progress }, followed, signal);
    } catch (error) {
      failure = error;
    }
  }
  const now = performance.now();
  if (json) {
    const errors = new Map(followed.failed.map(({ model, error }) => [model, error]));
    out.json({ models: [...models.map((model) => model.result(now, errors.get(model))), ...before.documents] });
  }
  if (signal.aborted) {
    out.line(
      'Interrupted. The daemon goes on fetching: "shoal transfers" shows how it goes, "shoal rm MODEL" ends it.',
    );
    return EXIT.interrupted;
  }
  if (failure !== undefined) {
    out.line(`shoal: ${describeError(failure)} What is wanted stays wanted.`);
    return failure instanceof ShoalError ? exitCodeOf(failure) : EXIT.failed;
  }
  const [first] = followed.failed;
  return before.code || (first === undefined ? EXIT.done : exitCodeOf(first.error));
}
