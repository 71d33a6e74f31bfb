import Type from 'typebox';
import { type App, problemResponse, type RouteParts } from '../app.ts';
import { CheckSchema, NodeSchema, OriginSchema, PeerSchema, refTo, TransferSchema } from '../schemas.ts';

export function nodeRoutes(app: App, { service, signal }: RouteParts): void {
  app.get(
    '/v1/node',
    {
      schema: {
        summary: 'This node: addresses, disk, counts',
        tags: ['node'],
        response: { 200: refTo(NodeSchema), default: problemResponse },
      },
    },
    () => service.node(),
  );

  app.get(
    '/v1/transfers',
    {
      schema: {
        summary: 'What is being fetched, and what was lately',
        tags: ['node'],
        response: { 200: Type.Object({ transfers: Type.Array(refTo(TransferSchema)) }), default: problemResponse },
      },
    },
    () => ({ transfers: service.transfers() }),
  );

  app.get(
    '/v1/peers',
    {
      schema: {
        summary: 'The other nodes of the fleet',
        tags: ['node'],
        response: { 200: Type.Object({ peers: Type.Array(refTo(PeerSchema)) }), default: problemResponse },
      },
    },
    () => ({ peers: service.peers() }),
  );

  app.get(
    '/v1/origins',
    {
      schema: {
        summary: 'The configured origins',
        tags: ['node'],
        response: { 200: Type.Object({ origins: Type.Array(refTo(OriginSchema)) }), default: problemResponse },
      },
    },
    () => ({ origins: service.origins() }),
  );

  app.post(
    '/v1/rescan',
    {
      config: { unhurried: true },
      schema: {
        summary: 'Look through the models directory and the origins now; answers when it is done',
        tags: ['node'],
        response: { 204: Type.Null(), default: problemResponse },
      },
    },
    async (_request, reply) => {
      await service.rescan();
      await reply.code(204).send(null);
    },
  );

  app.get(
    '/v1/doctor',
    {
      config: { unhurried: true },
      schema: {
        summary: 'Check what goes wrong in practice, and how to mend it',
        tags: ['node'],
        response: { 200: Type.Object({ checks: Type.Array(refTo(CheckSchema)) }), default: problemResponse },
      },
    },
    async () => ({ checks: await service.doctor(signal) }),
  );
}
