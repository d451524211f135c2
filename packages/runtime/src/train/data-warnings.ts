import type { DataReport } from '@tunesmith/data';

/** What training is not to pass over in silence: answers that rows are too short for, and examples without one. */
export function dataWarnings(report: DataReport, maxLength: number): string[] {
  const { examples, truncatedAnswers, masked, truncatedExamples, maskedExamples, pairs } = report;
  const warnings: string[] = [];
  if (truncatedAnswers > 0) {
    warnings.push(
      `${truncatedAnswers} of ${examples} answers are cut to fit into ${maxLength} tokens, the first at ` +
        `${truncatedExamples[0]}; a larger data.maxLength keeps them whole`,
    );
  }
  if (masked > 0) {
    warnings.push(
      `${masked} of ${examples} examples are left out, since nothing of them is to be learnt, the first at ${maskedExamples[0]}`,
    );
  }
  if (pairs !== null && pairs.cutOnOneSide > 0) {
    warnings.push(
      `of ${pairs.cutOnOneSide} of ${examples} pairs only one answer is cut, the first at ` +
        `${pairs.cutOnOneSideExamples[0]}: a whole answer is compared with a part of one`,
    );
  }
  if (pairs !== null && pairs.identical > 0) {
    warnings.push(
      `${pairs.identical} of ${examples} pairs have twice the same answer, the first at ${pairs.identicalExamples[0]}`,
    );
  }
  return warnings;
}
