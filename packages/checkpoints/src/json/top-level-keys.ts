/**
 * The keys of a JSON object's outermost level as they are written, repeated ones included: `JSON.parse` keeps only the
 * last of them. The text must be valid JSON.
 */
export function topLevelKeys(text: string): string[] {
  const keys: string[] = [];
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]/g;
  const colon = /\s*:/y;
  let depth = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [lexeme] = match;
    if (lexeme === '{' || lexeme === '[') depth++;
    else if (lexeme === '}' || lexeme === ']') depth--;
    else if (depth === 1) {
      colon.lastIndex = token.lastIndex;
      if (colon.test(text)) keys.push(JSON.parse(lexeme));
    }
  }
  return keys;
}
