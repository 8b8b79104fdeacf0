// Preloaded by each test file. tap follows every promise through async hooks, to name the test that an uncaught error came from.
// That costs a tenth of all tests. Without the hooks an uncaught error ends the process, and the runner reports its stack.
import hooks from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'

const none = { enable: () => none, disable: () => none }
hooks.createHook = () => none
syncBuiltinESMExports()
