import { styleText } from 'node:util';
import { TunesmithError } from '@tunesmith/core';
import { CommanderError } from 'commander';

type Style = Parameters<typeof styleText>[0];

/** Where a command writes: results to stdout, everything else to stderr. */
export interface Terminal {
  /** Results as JSON, and no progress. */
  readonly json: boolean;
  /** Whether a line of progress can be rewritten in place. */
  readonly live: boolean;
  readonly columns: number;
  /** A result, for people. */
  print(text?: string): void;
  /** A result, for programs; one line. */
  printJson(value: unknown): void;
  /** Something on the way to a result. */
  note(text: string): void;
  /** The line of progress, rewritten; an empty one wipes it away. */
  status(text: string): void;
  /** Styles text on stdout, unless colours are off. */
  style(style: Style, text: string): string;
  /** Styles text on stderr, unless colours are off. */
  styleNote(style: Style, text: string): string;
}

export function createTerminal(options: { readonly json: boolean }): Terminal {
  const { stdout, stderr } = process;
  const live = stderr.isTTY === true && !options.json;
  let shown = '';
  const status = (text: string): void => {
    if (!live || text === shown) return;
    stderr.write(`\r\u001b[2K${text}`);
    shown = text;
  };
  const above = (write: () => void): void => {
    const line = shown;
    status('');
    write();
    status(line);
  };
  return {
    json: options.json,
    live,
    columns: stderr.columns ?? 100,
    print: (text = '') => above(() => stdout.write(`${text}\n`)),
    printJson: (value) => above(() => stdout.write(`${JSON.stringify(value)}\n`)),
    note: (text) => above(() => stderr.write(`${text}\n`)),
    status,
    style: (style, text) => (hasColours(stdout) ? styleText(style, text) : text),
    styleNote: (style, text) => (hasColours(stderr) ? styleText(style, text) : text),
  };
}

/** Says on stderr what is gone on with in spite of a doubt. */
export function warn(terminal: Terminal, warning: string): void {
  terminal.note(`${terminal.styleNote(['yellow', 'bold'], 'warning')} ${warning}`);
}

/** A terminal that shows colours, and nobody who asked for none (NO_COLOR). */
function hasColours(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && stream.hasColors();
}

/** Tells what went wrong: one line of JSON on stdout for programs, text on stderr for people. */
export function reportError(terminal: Terminal, error: unknown): void {
  terminal.status('');
  if (error instanceof CommanderError) {
    // Commander has written its own text for people.
    if (terminal.json && error.exitCode !== 0) {
      terminal.printJson({ error: { code: 'CONFIG_INVALID', message: error.message.replace(/^error: /, '') } });
    }
    return;
  }
  const known = TunesmithError.isInstance(error);
  const message = error instanceof Error ? error.message : String(error);
  if (terminal.json) {
    const { code, hint } = known ? error : { code: 'INTERNAL', hint: undefined };
    terminal.printJson({ error: { code, message, ...(hint === undefined ? {} : { hint }) } });
    return;
  }
  terminal.note(`${terminal.styleNote(['red', 'bold'], 'error')} ${message}`);
  if (!known && error instanceof Error && error.stack !== undefined) {
    terminal.note(terminal.styleNote('dim', error.stack.split('\n').slice(1).join('\n')));
  }
}
