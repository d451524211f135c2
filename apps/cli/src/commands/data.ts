import type { Command } from 'commander';
import type { Terminal } from '../terminal.js';

export function addData(_program: Command, _terminal: Terminal): void {}
