/** Writes the quickstart's rows into a folder: `write-quickstart-data.ts FOLDER`. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jsonLines, quickstartData } from './quickstart-data.js';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('Usage: write-quickstart-data.ts FOLDER');
const { training, heldOut } = quickstartData();
await writeFile(join(folder, 'quickstart.jsonl'), jsonLines(training));
await writeFile(join(folder, 'heldout.jsonl'), jsonLines(heldOut));
