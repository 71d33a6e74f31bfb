import type {
  DaemonFleetViewer,
  FleetNodesView,
  FleetNodeView,
  FleetView,
  PieceMapView,
} from '../../src/flows/fleet-view.ts';

/** A fleet that is what the test says. */
export class FakeFleet implements DaemonFleetViewer {
  view: FleetView = {
    kind: 'daemon',
    revision: 'r1',
    self: 0,
    models: [],
    nodes: [{ id: 'gpu-1', status: 'online', cells: [] }],
    installed: [''],
  };
  maps: PieceMapView[] = [];
  /** How often it was asked for. */
  reads = 0;

  revision(): string {
    return this.view.revision;
  }

  fleet(): Promise<FleetView> {
    this.reads += 1;
    return Promise.resolve(this.view);
  }

  nodes(): Promise<FleetNodesView> {
    return Promise.resolve({ revision: this.view.revision, nodes: this.view.nodes });
  }

  pieceMaps(): PieceMapView[] {
    return this.maps;
  }

  /** Another revision with these nodes. */
  change(nodes: readonly FleetNodeView[], more: Partial<FleetView> = {}): void {
    this.view = { ...this.view, ...more, nodes, revision: `${this.view.revision}+` };
  }
}
