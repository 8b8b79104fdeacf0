import t from 'tap'
import { nameOfNotifications, readGraphNotification } from '../../../shared/outlook/notification.ts'
import { changeOf } from '../../support/graph-notifications.ts'

const LONG = 'x'.repeat(1001)

t.test("the relevant fields are read, up to Graph's lengths", async t => {
  const change = {
    subscriptionId: 'a',
    clientState: 's',
    changeType: 'created',
    resourceData: { id: 'm', '@odata.etag': 'v' },
  }
  t.same(readGraphNotification(change), {
    subscriptionId: 'a',
    clientState: 's',
    lifecycle: undefined,
    created: 'm',
    trait: '["a","created","m","v"]',
  })
  const bare = { subscriptionId: 'a', clientState: '', lifecycle: undefined, created: undefined, trait: undefined }
  for (const more of [
    {},
    { clientState: null, lifecycleEvent: null, id: null, changeType: null, resourceData: null },
    { resourceData: 'text' },
    { resourceData: [{ id: 'm' }] },
    { changeType: 'created', resourceData: { id: LONG, '@odata.etag': LONG } },
    { __proto__: { lifecycleEvent: 'missed' }, constructor: 'x', toString: 1 },
  ])
    t.match(
      readGraphNotification(JSON.parse(JSON.stringify({ subscriptionId: 'a', ...more }))),
      bare,
      JSON.stringify(more).slice(0, 60),
    )
  t.match(readGraphNotification({ subscriptionId: 'a', lifecycleEvent: 'constructor' }), { lifecycle: 'constructor' })
})

t.test('anything else is not a notification', async t => {
  for (const item of [
    null,
    undefined,
    0,
    'text',
    [],
    [changeOf('a', 's')],
    {},
    { subscriptionId: '' },
    { subscriptionId: 5 },
    { subscriptionId: ['a'] },
    { subscriptionId: LONG },
    { subscriptionId: 'a', clientState: 5 },
    { subscriptionId: 'a', clientState: LONG },
    { subscriptionId: 'a', lifecycleEvent: {} },
    { subscriptionId: 'a', lifecycleEvent: LONG },
    { subscriptionId: 'a', id: '' },
    { subscriptionId: 'a', changeType: [] },
  ])
    t.equal(readGraphNotification(item), undefined, JSON.stringify(item)?.slice(0, 60))
})

t.test('repeated notifications have the same name in any order', async t => {
  const read = (items: unknown[]) => items.flatMap(one => readGraphNotification(one) ?? [])
  const [first, second] = [changeOf('a', 's'), changeOf('a', 's')]
  t.equal(nameOfNotifications(read([first, second])), nameOfNotifications(read([second, first])))
  t.not(nameOfNotifications(read([first])), nameOfNotifications(read([second])))
  t.equal(nameOfNotifications(read([first, { subscriptionId: 'a' }])), undefined)
})
