// npm run picture: runs the demo in a terminal of its own (tmux) and draws what it shows in the middle and at the end as
// docs/demo.svg.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const ROOT = join(import.meta.dirname, '..');
const SESSION = `shoal-picture-${process.pid}`;
const COLUMNS = 118;
const LINE_PX = 18;
const CHAR_PX = 8.4;

function tmux(...args: string[]): string {
  return execFileSync('tmux', args, { encoding: 'utf8' });
}

function screen(): string[] {
  const lines = tmux('capture-pane', '-t', SESSION, '-p').split('\n');
  while (lines.length > 0 && lines.at(-1)?.trim() === '') lines.pop();
  return lines;
}

async function capture(): Promise<{ middle: string[]; end: string[] }> {
  const command = `cd '${ROOT}' && '${process.execPath}' demo/run.ts; echo "exit code $?"; sleep 60`;
  tmux('new-session', '-d', '-s', SESSION, '-x', String(COLUMNS), '-y', '50', command);
  try {
    let middle: string[] = [];
    for (let waitedMs = 0; waitedMs < 180_000; waitedMs += 500) {
      await delay(500);
      const lines = screen();
      // One node down, the others on their way: the picture that says most.
      if (lines.some((line) => line.includes('killed'))) middle = lines;
      if (lines.some((line) => line.startsWith('exit code'))) return { middle, end: lines };
    }
    throw new Error('the demo did not end within three minutes');
  } finally {
    tmux('kill-session', '-t', SESSION);
  }
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function draw(lines: readonly string[]): string {
  const width = Math.ceil(COLUMNS * CHAR_PX + 40);
  const height = lines.length * LINE_PX + 40;
  const rows = lines.map((line, index) => {
    const text = escape(line)
      .replaceAll('✓', '<tspan fill="#7ee787">✓</tspan>')
      .replaceAll('killed', '<tspan fill="#ff7b72">killed</tspan>');
    return `<text x="20" y="${30 + index * LINE_PX}" xml:space="preserve">${text}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" rx="8" fill="#0d1117"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#e6edf3">`,
    ...rows,
    '</g></svg>',
    '',
  ].join('\n');
}

const { middle, end } = await capture();
const table = end.slice(end.findIndex((line) => line.trimStart().startsWith('whole demo')));
writeFileSync(join(ROOT, 'docs', 'demo.svg'), draw(['$ npm run demo', ...middle, '', '  …', '', ...table]));
