/** Lower-case words of the texts, of three to eight letters, the most frequent first. */
export function commonWords(texts: Iterable<string>, count: number): string[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(/(?<![\p{L}'’])[a-z]{3,8}(?![\p{L}'’])/gu)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const ranked = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return ranked.slice(0, count).map(([word]) => word);
}
