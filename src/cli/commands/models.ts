import type { Model, Verification } from '../../api/schemas.ts';
import { modelPath } from '../api-client.ts';
import type { ClientCommand, CommandParts } from '../command.ts';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { describeError, type ErrorDocument, errorDocument } from '../output.ts';

/** `rm`, `pin`, `unpin` and `verify`: the same for each model; one that fails does not keep the others from it. */

export const rm: ClientCommand = (parts, names) =>
  forEach(parts, names, async (name) => {
    const { id } = await parts.api.get<Model>(modelPath(name), parts.signal);
    await parts.api.delete(modelPath(id), parts.signal);
    return { document: { id, removed: true }, line: `${id}: removed from this node` };
  });

export const pin: ClientCommand = (parts, names) =>
  forEach(parts, names, async (name) => {
    const document = await parts.api.put<Model>(modelPath(name, 'pin'), parts.signal);
    return { document, line: `${document.id}: pinned, it cannot be removed until it is unpinned` };
  });

export const unpin: ClientCommand = (parts, names) =>
  forEach(parts, names, async (name) => {
    const document = await parts.api.delete<Model>(modelPath(name, 'pin'), parts.signal);
    return { document, line: `${document.id}: no longer pinned` };
  });

export const verify: ClientCommand = async (parts, names) => {
  const chosen = names.length > 0 ? names : await installedModels(parts);
  if (chosen.length === 0 && !parts.json) parts.out.line('No models here.');
  return forEach(parts, chosen, async (name) => {
    const document = await parts.api.post<Verification>(modelPath(name, 'verify'), parts.signal);
    const bad = document.files.filter((file) => !file.ok).map((file) => file.path);
    const line = document.ok
      ? `${document.model}: every byte is right`
      : `${document.model}: WRONG: ${bad.join(', ')}. It is no longer offered. Delete it: if it is wanted, it is fetched again.`;
    return { document, line, code: document.ok ? EXIT.done : EXIT.verificationFailed };
  });
};

async function installedModels({ api, signal }: CommandParts): Promise<string[]> {
  const { models } = await api.get<{ models: Model[] }>('/v1/models?scope=local', signal);
  return models.filter(({ state }) => state === 'installed' || state === 'corrupt').map(({ id }) => id);
}

interface Done {
  readonly document: object;
  readonly line: string;
  readonly code?: number;
}

async function forEach(
  { out, json, signal }: CommandParts,
  names: readonly string[],
  act: (name: string) => Promise<Done>,
): Promise<number> {
  const documents: object[] = [];
  let code: number = EXIT.done;
  for (const name of names) {
    try {
      const done = await act(name);
      documents.push(done.document);
      if (!json) out.line(done.line);
      code ||= done.code ?? EXIT.done;
    } catch (error) {
      // Nobody there for one is nobody there for all.
      if (signal.aborted || exitCodeOf(error) === EXIT.unreachable) throw error;
      out.line(`shoal: ${name}: ${describeError(error)}`);
      documents.push({ id: name, error: errorDocument(error) } satisfies { id: string; error: ErrorDocument });
      code ||= exitCodeOf(error);
    }
  }
  if (json) out.json({ models: documents });
  return code;
}
