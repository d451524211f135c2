import { z } from 'zod';

export const sharedPromptOption = {
  sharedPrompt: z
    .boolean()
    .default(false)
    .describe(
      'Both answers lie in one row behind their prompt, which is computed once. The same numbers, but for other dropout masks; refused where attention has a window or depends on distances. Default: off, as in TRL.',
    ),
};
