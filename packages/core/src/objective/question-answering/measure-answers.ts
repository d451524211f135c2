import { squadScores } from '../../metrics/squad-metrics.js';
import type { Named } from '../../tensor/tfjs.js';
import type { Passage } from '../passage.js';
import type { Row } from '../row.js';
import { bestAnswers, type PredictedPart } from './best-answers.js';
import type { QuestionAnsweringConfig } from './question-answering-config.js';

/** The parts of passages, those of one passage together: as rows come in the files' order, one behind the other. */
export function passagesOf<Part extends { readonly passage: Pick<Passage, 'part'> }>(parts: readonly Part[]): Part[][] {
  const passages: Part[][] = [];
  for (const part of parts) {
    const last = passages.at(-1);
    if (last === undefined || part.passage.part === 0) passages.push([part]);
    else last.push(part);
  }
  return passages;
}

/** SQuAD's measures of the answers to all questions, however many rows their passages take. */
export function measureAnswers(
  rows: readonly Row[],
  predictions: readonly Float32Array[],
  config: QuestionAnsweringConfig,
): Named<number> {
  const parts = rows.map(
    ({ passage }, index): PredictedPart => ({
      passage: passage as Passage,
      logits: predictions[index] as Float32Array,
    }),
  );
  const passages = passagesOf(parts);
  return squadScores(
    passages.map((passage) => bestAnswers(passage, config).answer.text),
    passages.map(([first]) => (first as PredictedPart).passage.answers),
  );
}
