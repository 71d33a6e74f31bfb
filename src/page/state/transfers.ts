import type { Transfer } from '../../api/schemas.ts';

export function isActive({ state }: Transfer): boolean {
  return state !== 'done' && state !== 'failed';
}
