import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';

export const PROJECT_ROOT = dirname(dirname(import.meta.dirname));

export interface ImportStatement {
  /** As written. */
  readonly specifier: string;
  /** Relative to `src/`, for imports within it; `../…` when it points out of `src/`. */
  readonly target: string | undefined;
  readonly line: number;
  /** A worker's entry file is named by URL: it obeys the layers, but loads in its own thread and so closes no cycle. */
  readonly kind: 'import' | 'url';
  readonly isTypeOnly: boolean;
}

export interface SourceFile {
  /** Relative to `src/`, with slashes. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly ImportStatement[];
  /** Lines that touch `process.env`. */
  readonly environmentLines: readonly number[];
}

/** Every TypeScript file under `src/`, generated code (`wire/`) and declaration files left out. */
export function readSourceTree(): SourceFile[] {
  const root = join(PROJECT_ROOT, 'src');
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !path.split('/').includes('wire'))
    .sort()
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

export function parseSource(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(
    path,
    text,
    ts.ScriptTarget.ESNext,
    true,
    path.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
  );
  const imports: ImportStatement[] = [];
  const environmentLines: number[] = [];
  const lineOf = (node: ts.Node): number => tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
  const add = (literal: ts.Node | undefined, kind: ImportStatement['kind']): void => {
    if (literal === undefined || !ts.isStringLiteralLike(literal)) return;
    const specifier = literal.text;
    const target = specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(path), specifier)) : undefined;
    const isTypeOnly =
      ts.isImportDeclaration(literal.parent) &&
      literal.parent.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    imports.push({ specifier, target, line: lineOf(literal), kind, isTypeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier, 'import');
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, 'import');
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], 'import');
    } else if (
      ts.isNewExpression(node) &&
      node.expression.getText() === 'URL' &&
      /\.[jt]s['"`]$/.test(node.arguments?.[0]?.getText() ?? '')
    ) {
      add(node.arguments?.[0], 'url');
    }
    if (readsEnvironment(node)) environmentLines.push(lineOf(node));
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path, lines: text.split('\n').length - 1, imports, environmentLines };
}

function readsEnvironment(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return /^(globalThis\.)?process\.env$/.test(node.getText());
  if (!ts.isImportSpecifier(node)) return false;
  const from = node.parent.parent.parent.moduleSpecifier.getText();
  return (node.propertyName ?? node.name).text === 'env' && /^['"](node:)?process['"]$/.test(from);
}

/** Rings of files that import each other, each ring once, as `a → b → a`. */
export function findCycles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const trail: string[] = [];
  const cycles: string[] = [];
  const walk = (path: string): void => {
    const file = byPath.get(path);
    if (file === undefined || finished.has(path)) return;
    const start = trail.indexOf(path);
    if (start !== -1) {
      cycles.push([...trail.slice(start), path].join(' → '));
      return;
    }
    trail.push(path);
    for (const { target, kind } of file.imports) if (kind === 'import' && target !== undefined) walk(target);
    trail.pop();
    finished.add(path);
  };
  for (const { path } of files) walk(path);
  return cycles;
}
