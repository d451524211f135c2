import { readRows } from '@tunesmith/data';
import { answerPrompts, type LoadedModel } from '@tunesmith/runtime';

/** What comes before an answer's last word, as PEFT's method comparison looks for it (MetaMathQA/utils.py). */
const markers = ['The answer is: ', 'The answer is ', 'The final answer is: ', 'The final answer is ', '#### '];

/** Tokens that an answer may take (its `max_new_tokens`). */
const mostTokens = 300;

/**
 * The number that a text comes to: what stands behind the last of the markers, without %, $, commas and full stops, as a
 * decimal or a fraction. Null where there is none.
 */
export function finalAnswer(text: string): number | null {
  const found = markers.map((marker) => ({ at: text.lastIndexOf(marker), marker })).filter(({ at }) => at >= 0);
  // Of two that begin at the same place the longer one says what is a part of the answer.
  const [last] = found.sort((a, b) => b.at + b.marker.length - (a.at + a.marker.length));
  if (last === undefined) return null;
  const [word = ''] = text
    .slice(last.at + last.marker.length)
    .trim()
    .split(/\s/);
  const bare = word.replaceAll(/[%$,!?;:()]/g, '').replace(/\.+$/, '');
  const [, over, under = '1'] = /^(-?\d*\.?\d+)(?:\/(-?\d*\.?\d+))?$/.exec(bare) ?? [];
  const value = Number(over) / Number(under);
  return over !== undefined && Number.isFinite(value) ? value : null;
}

/** The share of a file's prompts that greedy decoding answers with the number that their completion comes to. */
export async function finalAnswerShare(loaded: LoadedModel, file: string, batchSize: number): Promise<number> {
  const rows: { readonly prompt: string; readonly completion: string }[] = [];
  for await (const { value } of readRows(file)) {
    rows.push({ prompt: String(value.prompt), completion: String(value.completion) });
  }
  const prompts = rows.map(({ prompt }) => prompt);
  const texts = await answerPrompts(loaded, prompts, { batchSize, maxNewTokens: mostTokens });
  return rows.filter(({ completion }, index) => isSame(texts[index] as string, completion)).length / rows.length;
}

function isSame(said: string, expected: string): boolean {
  const answer = finalAnswer(said);
  return answer !== null && answer === finalAnswer(expected);
}
