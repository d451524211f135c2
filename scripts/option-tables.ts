/** Writes the option tables in the READMEs of the packages that offer methods; `option-tables.test.ts` says if they are stale. */
import { readFileSync, writeFileSync } from 'node:fs';
import { methodReadmes } from './method-readmes.js';
import { withOptionTables } from './option-table.js';

for (const { path, schemas } of await methodReadmes()) {
  const readme = readFileSync(path, 'utf8');
  const fresh = withOptionTables(readme, schemas);
  if (fresh === readme) continue;
  writeFileSync(path, fresh);
  console.log(`wrote ${path}`);
}
