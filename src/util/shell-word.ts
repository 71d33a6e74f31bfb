/** As one word of a command that somebody copies into a shell: names and addresses come from other machines. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
