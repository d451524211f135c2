import { z } from 'zod';

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

/** IA³'s options, which are PEFT's in camel case (peft/tuners/ia3/config.py). */
export const ia3ConfigSchema = z
  .object({
    targetModules: names
      .optional()
      .describe(
        "Which linear modules get a vector: a list of names or path endings, one regular expression for whole paths, or `all-linear`. Default: PEFT's choice for the family: keys, values and the last feed-forward layer.",
      ),
    feedforwardModules: names
      .or(z.array(z.never()).length(0))
      .optional()
      .describe(
        "Which of the targets scale their input instead of their output, in the same notation; an empty list for none. Default: PEFT's choice for the family, the last feed-forward layer.",
      ),
    excludeModules: names.optional().describe('Modules to leave out of the targets, in the same notation.'),
    modulesToSave: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Modules to train whole, as copies saved with the adapter, such as `lm_head`.'),
  })
  .superRefine(({ targetModules, feedforwardModules }, context) => {
    if (typeof feedforwardModules === 'string' && !isExpression(feedforwardModules)) {
      const message = `"${feedforwardModules}" is not a regular expression`;
      context.addIssue({ code: 'custom', path: ['feedforwardModules'], message, input: feedforwardModules });
    }
    // As PEFT: a feed-forward module that is no target would be left without a vector in silence.
    if (!Array.isArray(targetModules) || !Array.isArray(feedforwardModules)) return;
    const stray = feedforwardModules.filter((name) => !targetModules.includes(name));
    if (stray.length === 0) return;
    context.addIssue({
      code: 'custom',
      path: ['feedforwardModules'],
      message: `must be a subset of targetModules, and ${stray.join(', ')} ${stray.length === 1 ? 'is' : 'are'} not in it`,
      input: feedforwardModules,
    });
  });

function isExpression(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}

export type Ia3Config = z.output<typeof ia3ConfigSchema>;
