import { type ExpertOptions, type Family, TunesmithError } from '@tunesmith/core';

/** config.json with what a recipe asks of a mixture of experts. @throws CONFIG_INVALID for a model without experts */
export function withExperts(
  config: Readonly<Record<string, unknown>>,
  experts: ExpertOptions | undefined,
  family: Family,
  where: string,
): Readonly<Record<string, unknown>> {
  if (experts === undefined) return config;
  if (family.withExperts !== undefined) return family.withExperts(config, experts);
  throw new TunesmithError('CONFIG_INVALID', `models of the family ${family.name} have no experts`, {
    where: 'model.experts',
    expected: 'a mixture of experts, such as a Mixtral',
    got: where,
    hint: '`tunesmith upcycle` makes one of a Llama or a Mistral.',
  });
}
