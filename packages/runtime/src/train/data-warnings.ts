import type { DataReport } from '@tunesmith/data';

/** What training is not to pass over in silence: answers that rows are too short for, and examples without one. */
export function dataWarnings(report: DataReport, maxLength: number): string[] {
  const { examples, truncatedAnswers, masked, truncatedExamples, maskedExamples } = report;
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
  return warnings;
}
