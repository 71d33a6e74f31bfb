import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Node } from '../../api/schemas.ts';
import type { Connection } from '../api/event-stream.ts';
import type { FleetTable } from '../state/fleet-table.ts';
import { applyTheme, storedTheme, THEMES, type Theme } from '../state/theme.ts';

interface HeaderProps {
  readonly connection: Connection;
  readonly node: Node | undefined;
  readonly table: FleetTable | undefined;
}

export function Header({ connection, node, table }: HeaderProps): VNode {
  const [theme, setTheme] = useState(storedTheme());
  const change = (to: Theme): void => {
    applyTheme(to);
    setTheme(to);
  };
  return (
    <header class="top">
      <img src="page/icon.svg" alt="" width={28} height={28} />
      <h1>Shoal</h1>
      <p class="who">
        {table?.kind === 'orchestrator' ? 'orchestrator' : (node?.name ?? '')}
        {node === undefined ? null : <span class="version">{node.version}</span>}
      </p>
      <ConnectionState connection={connection} />
      <fieldset class="theme">
        <legend class="hidden">Colours</legend>
        {THEMES.map((one) => (
          <label key={one} title={`Colours: ${one}`}>
            <input type="radio" name="theme" checked={theme === one} onChange={() => change(one)} />
            <span>{one === 'system' ? 'auto' : one}</span>
          </label>
        ))}
      </fieldset>
    </header>
  );
}

function ConnectionState({ connection }: { readonly connection: Connection }): VNode {
  const [, tick] = useState(0);
  const isLost = connection.kind === 'lost';
  useEffect(() => {
    if (!isLost) return;
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, [isLost]);
  return (
    <p key={connection.kind} class={`connection ${connection.kind}`} title={isLost ? connection.reason : undefined}>
      <span class="dot" aria-hidden="true" />
      {connectionText(connection)}
    </p>
  );
}

function connectionText(connection: Connection): string {
  switch (connection.kind) {
    case 'connecting':
      return 'connecting';
    case 'live':
      return 'live';
    case 'locked':
      return 'token needed';
    case 'lost': {
      const seconds = Math.ceil((connection.retryAtMs - Date.now()) / 1000);
      return seconds > 0
        ? `connection lost, again in ${String(seconds).padStart(2, '\u2007')} s`
        : 'connection lost, trying';
    }
  }
}
