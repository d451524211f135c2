import { z } from 'zod';

/** `model.experts`: what is asked of a mixture of experts in training. */
export const expertSettings = z.strictObject({
  balance: z
    .number()
    .nonnegative()
    .optional()
    .describe(
      'Weight of the load-balance loss (Fedus et al. 2021, eq. 4, who take 0.01). As config.json has it if not said.',
    ),
  z: z
    .number()
    .nonnegative()
    .optional()
    .describe('Weight of the z-loss (Zoph et al. 2022, eq. 5, who take 0.001). As config.json has it if not said.'),
  capacityFactor: z
    .number()
    .positive()
    .optional()
    .describe(
      'In training, how many tokens of a row an expert takes, as a multiple of the mean; what is above passes by. Fedus et ' +
        'al. take 1 to 1.25. If not said, as config.json has it, and else as many as come.',
    ),
});
