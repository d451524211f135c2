/** Levenshtein distance between two short names. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] as number) + 1, (current[column - 1] as number) + 1));
    }
    previous = current;
  }
  return previous[b.length] as number;
}

/** The known names nearest to an unknown one, best first; a name that contains it counts as near, and none that is much farther. */
export function nearestNames(unknown: string, known: Iterable<string>, most = 3): string[] {
  const wanted = unknown.toLowerCase();
  const scored = [...new Set(known)]
    .map((name) => {
      const candidate = name.toLowerCase();
      const contained = candidate.includes(wanted) || wanted.includes(candidate);
      const share = distance(wanted, candidate) / Math.max(wanted.length, candidate.length, 1);
      return { name, score: contained ? Math.min(0.5, share) : share };
    })
    .sort((a, b) => a.score - b.score || a.name.localeCompare(b.name));
  const farthest = Math.min(0.6, (scored[0]?.score ?? 0) + 0.3);
  return scored
    .filter(({ score }) => score <= farthest)
    .slice(0, most)
    .map(({ name }) => name);
}

/** `Did you mean a, b or c?`, or what names there are when none is near. */
export function didYouMean(unknown: string, known: Iterable<string>): string {
  const names = [...known];
  const near = nearestNames(unknown, names);
  if (near.length > 0) return `Did you mean ${list(near)}?`;
  return names.length === 0
    ? 'There are none.'
    : `Known: ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}.`;
}

function list(names: string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
