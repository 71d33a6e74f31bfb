import type { VNode } from 'preact';
import type { Peer } from '../../api/schemas.ts';
import { formatAge, formatBytes, formatRate } from '../format.ts';
import type { PageState, PeerRate } from '../state/page-state.ts';
import { DiskCell } from './disk-cell.tsx';

/** The other nodes as this daemon sees them; two of the six columns give way where it is narrow. */
export function PeersPanel({ peers, rates, table }: PageState): VNode {
  const sorted = [...peers].sort(
    (a, b) => Number(b.blamed !== undefined) - Number(a.blamed !== undefined) || (a.name < b.name ? -1 : 1),
  );
  return (
    <section class="panel peers" aria-labelledby="peers-title">
      <h2>
        <span id="peers-title">Peers</span> <span class="aside number">{peers.length === 0 ? '' : peers.length}</span>
      </h2>
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="peers-title">
        {peers.length === 0 ? (
          <p class="nothing">No other node is known.</p>
        ) : (
          <table>
            <colgroup>
              <col />
              <col class="over" />
              <col class="rate" />
              <col class="rate" />
              <col class="disk-cell" />
              <col class="seen" />
            </colgroup>
            <thead>
              <tr>
                <th scope="col">Node</th>
                <th scope="col" class="over">
                  Over
                </th>
                <th scope="col" class="number" title="fetched from it">
                  In
                </th>
                <th scope="col" class="number" title="sent to it">
                  Out
                </th>
                <th scope="col" class="number disk-cell">
                  Disk free
                </th>
                <th scope="col" class="number">
                  Seen
                </th>
              </tr>
            </thead>
            <tbody>
              {sorted.map((peer) => (
                <PeerRow key={peer.peerId} peer={peer} rate={rates.get(peer.peerId)} />
              ))}
            </tbody>
          </table>
        )}
      </div>
      {table === undefined ? null : <BlamedCount peers={peers} />}
    </section>
  );
}

function PeerRow({ peer, rate }: { readonly peer: Peer; readonly rate: PeerRate | undefined }): VNode {
  const { name, peerId, connected, transport, laneProblem, blamed, rejectedPieces, seenMsAgo } = peer;
  const { freeBytes, totalBytes } = peer;
  const shown = name === '' ? peerId.slice(-8) : name;
  // The lane is tried only when something is fetched.
  const isKnown =
    transport === 'lane' || (transport === 'stream' && (laneProblem !== undefined || peer.receivedBytes > 0));
  return (
    <>
      <tr class={connected ? '' : 'gone'}>
        <th scope="row" title={peerId}>
          {shown}
          {connected ? null : <span class="badge">away</span>}
        </th>
        <td class="over" title={laneProblem}>
          {isKnown ? transport : '–'}
        </td>
        <td class="number" title={`${formatBytes(peer.receivedBytes)} fetched from it`}>
          {formatRate(rate?.receivedPerSecond ?? 0)}
        </td>
        <td class="number" title={`${formatBytes(peer.sentBytes)} sent to it`}>
          {formatRate(rate?.sentPerSecond ?? 0)}
        </td>
        <DiskCell name={shown} freeBytes={freeBytes} totalBytes={totalBytes} />
        <td class="number">{formatAge(seenMsAgo)}</td>
      </tr>
      {blamed === undefined ? null : (
        <tr class="blame">
          <td colSpan={6}>
            avoided until {new Date(blamed.until).toLocaleTimeString('en-GB')}: {blamed.reason}
            {rejectedPieces > 0 ? `, ${rejectedPieces} wrong pieces` : ''}
          </td>
        </tr>
      )}
    </>
  );
}

function BlamedCount({ peers }: { readonly peers: readonly Peer[] }): VNode | null {
  const count = peers.filter(({ blamed }) => blamed !== undefined).length;
  return count === 0 ? null : <p class="foot bad">{count} avoided: what they sent was wrong</p>;
}
