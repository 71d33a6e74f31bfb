import { createHash, timingSafeEqual } from 'node:crypto';
import { ShoalError } from '../util/errors.ts';

/** What a request may do: everything, or speak for one node. */
export type Bearer = { readonly kind: 'fleet' } | { readonly kind: 'node'; readonly nodeId: string };

/** Longer credentials are refused unread. */
const AUTHORIZATION_MAX_BYTES = 8_192;

/**
 * The tokens of a token file: lines with one token each (whoever brings it may do everything) and lines `NODE_ID TOKEN`
 * (may register, report and delete that node, and nobody else may). Empty lines and lines that begin with # are ignored.
 */
export class TokenTable {
  readonly #fleet: readonly Buffer[];
  readonly #nodes: readonly { readonly nodeId: string; readonly digest: Buffer }[];

  private constructor(fleet: readonly Buffer[], nodes: readonly { nodeId: string; digest: Buffer }[]) {
    this.#fleet = fleet;
    this.#nodes = nodes;
  }

  /** @throws ShoalError `invalid`, naming the line */
  static parse(text: string): TokenTable {
    const fleet: Buffer[] = [];
    const nodes: { nodeId: string; digest: Buffer }[] = [];
    for (const [index, line] of text.split('\n').entries()) {
      const words = line.trim().split(/\s+/);
      const [first = '', second] = words;
      if (first === '' || first.startsWith('#')) continue;
      if (words.length > 2 || !/^[\x21-\x7e]{1,4096}$/.test(second ?? first)) {
        throw new ShoalError('invalid', `line ${index + 1} holds no usable token`, {
          remedy: 'Write one token a line, or "NODE_ID TOKEN"; "openssl rand -hex 32" makes a good one.',
        });
      }
      if (second === undefined) fleet.push(sha256(first));
      else nodes.push({ nodeId: first, digest: sha256(second) });
    }
    if (fleet.length === 0) {
      throw new ShoalError('invalid', 'there is no token that may do everything', {
        remedy: 'Add a line with nothing but a token: callers of placement need one.',
      });
    }
    return new TokenTable(fleet, nodes);
  }

  /** Does this node have a token of its own? Then no other may speak for it. */
  isNodeBound(nodeId: string): boolean {
    return this.#nodes.some((node) => node.nodeId === nodeId);
  }

  /** @throws ShoalError `unauthorized` */
  check(authorization: string | undefined): Bearer {
    const given = tokenOf(authorization);
    if (given === undefined) throw unauthorized('no bearer token was sent');
    // Every token is compared, so that the time does not tell which one was nearly right.
    let found: Bearer | undefined;
    for (const digest of this.#fleet) if (timingSafeEqual(given, digest)) found = { kind: 'fleet' };
    for (const { nodeId, digest } of this.#nodes)
      if (timingSafeEqual(given, digest)) found ??= { kind: 'node', nodeId };
    if (found === undefined) throw unauthorized('the bearer token is wrong');
    return found;
  }
}

/** The digest of what stands after `Bearer `: digests have one length, which timingSafeEqual needs. */
function tokenOf(authorization: string | undefined): Buffer | undefined {
  if (authorization === undefined || Buffer.byteLength(authorization) > AUTHORIZATION_MAX_BYTES) return undefined;
  const token = /^Bearer ([\x21-\x7e]+)$/.exec(authorization)?.[1];
  return token === undefined ? undefined : sha256(token);
}

function unauthorized(message: string): ShoalError {
  return new ShoalError('unauthorized', message, { remedy: 'Send "Authorization: Bearer TOKEN".' });
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
