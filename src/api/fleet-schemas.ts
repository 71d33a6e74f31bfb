import Type, { type Static } from 'typebox';
import { FleetDocumentSchema, FleetNodesDocumentSchema } from '../orchestrator/fleet-documents.ts';
import type { Frozen } from '../util/frozen.ts';
import { named } from './schemas.ts';

const Count = () => Type.Integer({ minimum: 0 });
const Bits = (description: string) => Type.String({ contentEncoding: 'base64', description });

export const FleetSchema = named('Fleet', FleetDocumentSchema);
export const FleetNodesSchema = named('FleetNodes', FleetNodesDocumentSchema);

export const PieceMapSchema = named(
  'PieceMap',
  Type.Object({
    path: Type.String(),
    sha256: Type.String(),
    sizeBytes: Count(),
    pieceSizeBytes: Count(),
    pieceCount: Count(),
    piecesHere: Count(),
    here: Bits('One bit per piece, the first piece in the highest bit'),
    offered: Bits('Pieces that some source gives now'),
  }),
);

export const fleetSchemas = [FleetSchema, FleetNodesSchema, PieceMapSchema] as const;

export type Fleet = Frozen<Static<typeof FleetSchema>>;
export type FleetNodes = Frozen<Static<typeof FleetNodesSchema>>;
export type FleetNodeDocument = Fleet['nodes'][number];
export type PieceMap = Frozen<Static<typeof PieceMapSchema>>;
