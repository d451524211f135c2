import { z } from 'zod';

export const questionAnsweringConfigSchema = z.object({
  docStride: z
    .int()
    .min(0)
    .default(128)
    .describe(
      'Tokens that two neighbouring parts of a passage share, where it is too long for a row; never more than half of a part. Default: run_qa.py’s 128.',
    ),
  maxAnswerLength: z
    .int()
    .min(1)
    .default(30)
    .describe('Most tokens of an answer that is given. Default: run_qa.py’s 30.'),
  nBest: z
    .int()
    .min(1)
    .default(20)
    .describe(
      'How many of the likeliest beginnings and ends are put together, and how many answers are kept. Default: run_qa.py’s 20.',
    ),
  nullThreshold: z
    .number()
    .optional()
    .describe(
      'Nothing is answered where the score of that is above the best answer’s by more than this, as in SQuAD 2.0 (`null_score_diff_threshold` of run_qa.py, 0 there). If not said, every question is answered, and rows without an answer are refused.',
    ),
});

export type QuestionAnsweringConfig = z.output<typeof questionAnsweringConfigSchema>;
