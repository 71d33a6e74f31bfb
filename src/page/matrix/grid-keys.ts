export interface GridPlace {
  /** -1 is the head. */
  readonly row: number;
  readonly column: number;
}

export interface GridSize {
  readonly rows: number;
  readonly columns: number;
  readonly pageRows: number;
  /** Columns that are not there now. */
  readonly hidden?: readonly number[];
}

/** Where a key leads, as the ARIA practices have it for grids; undefined for keys that mean nothing here. */
export function placeAfter(key: string, isControl: boolean, from: GridPlace, size: GridSize): GridPlace | undefined {
  const { row, column } = from;
  const last = size.columns - 1;
  const bounded = (toRow: number, toColumn: number): GridPlace => {
    let place = Math.min(last, Math.max(0, toColumn));
    // Over what is hidden one goes on in the same direction.
    while (size.hidden?.includes(place) === true) place += toColumn < column ? -1 : 1;
    return { row: Math.min(size.rows - 1, Math.max(-1, toRow)), column: place };
  };
  switch (key) {
    case 'ArrowDown':
      return bounded(row + 1, column);
    case 'ArrowUp':
      return bounded(row - 1, column);
    case 'ArrowRight':
      return bounded(row, column + 1);
    case 'ArrowLeft':
      return bounded(row, column - 1);
    case 'PageDown':
      return bounded(row + size.pageRows, column);
    case 'PageUp':
      return bounded(row - size.pageRows, column);
    case 'Home':
      return bounded(isControl ? 0 : row, 0);
    case 'End':
      return bounded(isControl ? size.rows - 1 : row, last);
    default:
      return undefined;
  }
}
