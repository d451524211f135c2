import { didYouMean } from '../errors/nearest-names.js';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { SiteBase } from './site.js';

/**
 * Which sites a method acts on, by PEFT's rules (peft/tuners/tuners_utils.py): a list's entry matches a path that equals
 * it or ends with `.` + entry; a single string is a regular expression for the whole path; `all-linear` is every linear
 * site but the head.
 */
export interface Selector {
  readonly include: string | readonly string[];
  readonly exclude?: string | readonly string[];
  /** Block indices to keep; sites outside the blocks are dropped when given. */
  readonly layers?: readonly number[];
}

function matcher(pattern: string | readonly string[], where: string): (path: string) => boolean {
  if (typeof pattern === 'string') {
    const whole = wholePathExpression(pattern, where);
    return (path) => whole.test(path);
  }
  return (path) => pattern.some((entry) => matchesName(path, entry));
}

/** A regular expression that must match a whole path, as Python's `re.fullmatch`. */
function wholePathExpression(pattern: string, where: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch (cause) {
    throw new TunesmithError('CONFIG_INVALID', `"${pattern}" is not a regular expression`, { where, cause });
  }
}

export function matchesName(path: string, name: string): boolean {
  return path === name || path.endsWith(`.${name}`);
}

/**
 * The sites that a selector names. Every entry must match at least one of them: a misspelt name that trains nothing
 * is an error here, with the nearest names, not a warning.
 */
export function selectSites<S extends SiteBase>(sites: readonly S[], selector: Selector, where: string): S[] {
  const included = includedSites(sites, selector.include, where);
  const excluded = selector.exclude === undefined ? () => false : matcher(selector.exclude, `${where} (exclude)`);
  const { layers } = selector;
  const depths = new Set(sites.map(({ depth }) => depth));
  for (const layer of layers ?? []) {
    if (depths.has(layer)) continue;
    const last = Math.max(...[...depths].map((depth) => depth ?? -1));
    throw new TunesmithError('NAME_UNKNOWN', `there is no layer ${layer}`, { where, expected: `0 to ${last}` });
  }
  const selected = included.filter(
    ({ path, depth }) => !excluded(path) && (layers === undefined || (depth !== null && layers.includes(depth))),
  );
  if (selected.length === 0) {
    throw new TunesmithError('NAME_UNKNOWN', 'the selection is empty', {
      where,
      got: `${included.length} sites before exclude and layers, none after`,
    });
  }
  return selected;
}

function includedSites<S extends SiteBase>(sites: readonly S[], include: Selector['include'], where: string): S[] {
  if (include === 'all-linear') return sites.filter(({ kind, role }) => kind === 'linear' && role !== 'head');
  for (const entry of typeof include === 'string' ? [include] : include) {
    const matches = matcher(typeof include === 'string' ? entry : [entry], where);
    if (sites.some(({ path }) => matches(path))) continue;
    throw new TunesmithError('NAME_UNKNOWN', `"${entry}" matches no site of this model`, {
      where,
      hint: didYouMean(entry, new Set(sites.map(({ path }) => path.split('.').at(-1) ?? path))),
    });
  }
  const matches = matcher(include, where);
  return sites.filter(({ path }) => matches(path));
}
