import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Static } from 'typebox';
import type * as fleetSchemas from '../../src/api/fleet-schemas.ts';
import type * as schemas from '../../src/api/schemas.ts';
import { sharedSchemas } from '../../src/api/schemas.ts';
import type * as fleetViews from '../../src/flows/fleet-view.ts';
import type * as views from '../../src/flows/views.ts';

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

test('the documents of the API are the views of the flows layer (a difference fails the type check)', () => {
  const same: [
    Same<schemas.Model, views.ModelView>,
    Same<schemas.Transfer, views.TransferView>,
    Same<schemas.Peer, views.PeerView>,
    Same<schemas.Origin, views.OriginView>,
    Same<schemas.Node, views.NodeView>,
    Same<schemas.Verification, views.VerifyView>,
    Same<schemas.Check, views.CheckView>,
    Same<Static<typeof schemas.ModelState>, views.ModelState>,
    Same<fleetSchemas.Fleet, fleetViews.FleetView>,
    Same<fleetSchemas.FleetNodes, fleetViews.FleetNodesView>,
    Same<fleetSchemas.PieceMap, fleetViews.PieceMapView>,
  ] = [true, true, true, true, true, true, true, true, true, true, true];
  assert.ok(same.every(Boolean));
});

test('every shared schema has its own name', () => {
  const names = sharedSchemas.map((schema) => schema.$id);
  assert.equal(new Set(names).size, names.length);
});
