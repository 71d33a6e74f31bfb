/** Sizes of the matrix, in pixels. */
export interface MatrixLayout {
  readonly rowHeight: number;
  readonly headHeight: number;
  readonly cellWidth: number;
  readonly nameWidth: number;
  readonly sizeWidth: number;
  readonly copiesWidth: number;
  /** Names of nodes stand upright, because there are many. */
  readonly upright: boolean;
}

const WIDE_CELL = 92;
const NARROW_CELL = 28;

/** Few nodes get room for their names; with many, the columns become narrow and the names stand upright. */
export function layoutFor(width: number, nodes: number): MatrixLayout {
  const isSmall = width < 640;
  const sizeWidth = isSmall ? 0 : 84;
  const copiesWidth = isSmall ? 52 : 66;
  const nameWidth = Math.round(Math.min(420, Math.max(150, width * (isSmall ? 0.46 : 0.36))));
  const room = width - nameWidth - sizeWidth - copiesWidth - 16;
  const upright = nodes * WIDE_CELL > room && nodes > 3;
  return {
    rowHeight: 30,
    headHeight: upright ? 104 : 36,
    cellWidth: upright ? NARROW_CELL : WIDE_CELL,
    ...{ nameWidth, sizeWidth, copiesWidth, upright },
  };
}
