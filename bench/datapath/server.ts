/* The endpoints of all Services: accepts connections on a port, the argument. Says `listening` on standard output. */
import { writeSync } from 'node:fs'
import { acceptForever } from './sockets.ts'

acceptForever(Number(process.argv[2]), () => writeSync(1, 'listening\n'))
