import t from 'tap'
import type { Links } from '../../../shared/links.ts'
import { ownLinks } from '../../../shared/outlook/own-links.ts'

const HERE = 'https://graph.example.com'

function linksWith(texts: Record<string, string>, folders: string | undefined): Links {
  return {
    keep: async kept => kept,
    read: async names => new Map(names.flatMap(name => (texts[name] === undefined ? [] : [[name, texts[name]]]))),
    retire: async () => undefined,
    folders: async () => folders,
    keepFolders: async () => undefined,
    faults: async () => new Map(),
    noteFaults: async () => undefined,
  }
}

t.test('links of another Graph are as if they were lost', async t => {
  const texts = {
    here: JSON.stringify({ link: `${HERE}/v1.0/me/delta?a` }),
    path: JSON.stringify({ link: '/me/delta' }),
    none: JSON.stringify({ folder: 'a' }),
    broken: '{',
    port: JSON.stringify({ link: 'http://127.0.0.1:40001/v1.0/me/delta' }),
    scheme: JSON.stringify({ link: 'http://graph.example.com/v1.0/me/delta' }),
    below: JSON.stringify({ link: 'https://graph.example.com.evil.example/v1.0' }),
  }
  const links = ownLinks(linksWith(texts, texts.port), HERE)
  t.same([...(await links.read(Object.keys(texts))).keys()], ['here', 'path', 'none', 'broken'])
  t.equal(await links.folders(), undefined)
  t.equal(await ownLinks(linksWith({}, texts.here), HERE).folders(), texts.here)
  t.equal(await ownLinks(linksWith({}, undefined), HERE).folders(), undefined)
})
