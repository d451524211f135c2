import type { InstructionExample, InstructionTurn } from './example.js';
import type { RowReader } from './row-reader.js';

/** Alpaca's columns as an example whose answer stands in `answer`. */
export function readInstruction(row: RowReader, answer: string): InstructionExample {
  const system = row.optionalText('system');
  const last = {
    instruction: row.text('instruction'),
    input: row.optionalText('input') ?? '',
    output: row.text(answer),
  };
  return { kind: 'instruction', turns: [...readHistory(row), last], ...(system && { system }) };
}

function readHistory(row: RowReader): InstructionTurn[] {
  return (row.optionalList('history') ?? []).map((turn, index) => {
    const [instruction, output] = Array.isArray(turn) ? turn : [];
    if (typeof instruction !== 'string' || typeof output !== 'string') {
      throw row.wrong('history', 'a pair [instruction, output] of texts', turn, `[${index}]`);
    }
    return { instruction, input: '', output };
  });
}
