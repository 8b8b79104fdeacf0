import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** Parses the sources in these folders of the project, by their paths. */
export function sourcesIn(folders: readonly string[]): ReadonlyMap<string, ts.SourceFile> {
  const root = projectFolder()
  const entries = folders.flatMap(folder => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
  const paths = entries.filter(({ name }) => name.endsWith('.ts')).map(entry => join(entry.parentPath, entry.name))
  return new Map(
    paths.map(path => {
      const name = relative(root, path)
      return [name, ts.createSourceFile(name, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)]
    }),
  )
}

/** Returns every node of a source, parents first. */
export function nodesOf(node: ts.Node): ts.Node[] {
  const nodes: ts.Node[] = []
  const visit = (at: ts.Node) => {
    nodes.push(at)
    ts.forEachChild(at, visit)
  }
  visit(node)
  return nodes
}

/** Returns the position of a node, as `file:line`. */
export function placeOf(node: ts.Node): string {
  const file = node.getSourceFile()
  return `${file.fileName}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
}

// This file runs from `dist/` too.
function projectFolder(from = dirname(fileURLToPath(import.meta.url))): string {
  return readdirSync(from).includes('tsconfig.json') ? from : projectFolder(dirname(from))
}
