import type { Want } from '../store/wants.ts';
import { ShoalError } from '../util/errors.ts';
import type { Offer } from './offers.ts';

export function onlyLies({ name }: Want): ShoalError {
  return new ShoalError('verification-failed', `what is offered as ${name} does not have the sha256 that it promises`, {
    remedy: 'It is fetched as soon as somebody offers it rightly. See "shoal peers": who announced it is blamed there.',
  });
}

export function nobodyHas(want: Want): ShoalError {
  const which = want.digest === undefined ? want.name : `${want.name} with ${want.digest}`;
  return new ShoalError('not-found', `no node and no origin offers ${which} now`, {
    remedy: 'It is fetched as soon as one does. See "shoal ls --fleet" and "shoal doctor".',
  });
}

export function notAsOffered({ id }: Pick<Offer, 'id'>): ShoalError {
  return new ShoalError('conflict', `the files of ${id} are here, but with others beside them they are another model`, {
    remedy: `See "shoal ls" for what they are part of, and take the other files, or a config.json, out of that folder.`,
  });
}
