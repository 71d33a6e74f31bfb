import { formatBytes, formatLeft, formatPercent } from '../format.ts';
import { type CellState, type FleetCell, shareOf } from '../state/fleet-table.ts';

export const STATE_WORDS: Readonly<Record<CellState, string>> = {
  installed: 'installed',
  absent: 'missing',
  fetching: 'incoming',
  queued: 'waiting',
  missing: 'wanted, nobody has it',
  corrupt: 'corrupt',
  differs: 'installed, other content',
};

/** `incoming, 43 %, 1:20 left`: the cell in words, for those who do not see its form. */
export function cellText(state: CellState, cell: FleetCell | undefined): string {
  if (state !== 'fetching' || cell === undefined) return STATE_WORDS[state];
  const share = shareOf(cell);
  return [
    STATE_WORDS[state],
    ...(share === undefined ? [] : [formatPercent(share)]),
    ...(cell.bytesMissing === undefined ? [] : [`${formatBytes(cell.bytesMissing)} missing`]),
    ...(cell.etaMs === undefined ? [] : [`${formatLeft(cell.etaMs)} left`]),
  ].join(', ');
}
