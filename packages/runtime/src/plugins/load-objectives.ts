import type { ObjectiveFactory } from '@tunesmith/core';
import { definedObjective } from '../objective/settings.js';
import { isDefined, loadOffers, type MethodLookup, type OfferKind } from './load-offers.js';

/** What an objective has, and a method has not, is that it says what its rows are. */
const kind: OfferKind<ObjectiveFactory> = {
  word: 'objective',
  list: 'objectives',
  names: ({ objectives }) => objectives,
  isFactory: (value): value is ObjectiveFactory => isDefined(value) && 'rows' in value.definition,
};

/** The factories of the named objectives, in order. @throws NAME_UNKNOWN, METHOD_CONFLICT, API_VERSION */
export function loadObjectives(names: readonly string[], lookup: MethodLookup): Promise<ObjectiveFactory[]> {
  return names.every((name) => definedObjective(name) !== undefined)
    ? Promise.resolve(names.map((name) => definedObjective(name) as ObjectiveFactory))
    : loadOffers(kind, names, lookup);
}
