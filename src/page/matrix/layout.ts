/** Sizes of the matrix, in pixels. */
export interface MatrixLayout {
  readonly rowHeight: number;
  readonly headHeight: number;
  readonly cellWidth: number;
  readonly nameWidth: number;
  /** 0 where there is no room for it. */
  readonly sizeWidth: number;
  readonly copiesWidth: number;
  /** Names of nodes stand upright, because there are many. */
  readonly upright: boolean;
}

const LEVEL = { least: 72, most: 112 };
const UPRIGHT = { least: 28, most: 44 };
const HEAD = { level: 36, least: 64, most: 148 };
/** Of a letter of a node's name. */
const LETTER = 7;

/** Few nodes get room for their names; with many, the columns become narrow and the names stand upright. */
export function layoutFor(
  width: number,
  nodes: { readonly count: number; readonly longestName: number },
): MatrixLayout {
  const isSmall = width < 640;
  const sizeWidth = isSmall ? 0 : 84;
  const copiesWidth = isSmall ? 66 : 72;
  const nameWidth = Math.round(Math.min(380, Math.max(150, width * (isSmall ? 0.44 : 0.36))));
  const room = (width - nameWidth - sizeWidth - copiesWidth - 16) / Math.max(1, nodes.count);
  const upright = room < Math.max(LEVEL.least, nodes.longestName * LETTER + 12);
  const { least, most } = upright ? UPRIGHT : LEVEL;
  const uprightHead = Math.min(HEAD.most, Math.max(HEAD.least, nodes.longestName * LETTER + 28));
  const cellWidth = Math.floor(
    Math.min(Math.max(most, upright ? most : nodes.longestName * LETTER + 12), Math.max(least, room)),
  );
  // On a small screen what a few nodes leave over is the names'.
  const rest = isSmall ? Math.floor((room - cellWidth) * nodes.count) : 0;
  return {
    rowHeight: 30,
    headHeight: upright ? uprightHead : HEAD.level,
    nameWidth: nameWidth + Math.max(0, Math.min(rest, 380 - nameWidth)),
    ...{ cellWidth, sizeWidth, copiesWidth, upright },
  };
}
