import {declareErrors} from '../../src/runtime/errors.ts'

export const {
  IMAGE_TOOL_MISSING,
  IMAGE_NEEDS_ROOT,
  IMAGE_BASE_FAILED,
  IMAGE_PACKAGE_NOT_FETCHED,
  IMAGE_PACKAGE_CHANGED,
  IMAGE_LICENCE_UNKNOWN,
  BUILD_STEP_FAILED,
} = declareErrors({
  IMAGE_TOOL_MISSING: {
    what: 'the program {tool} is not installed',
    advice: 'apt-get install {debianPackage}, then run this again',
  },
  IMAGE_NEEDS_ROOT: {
    what: 'the base of the image is not cached yet, and only root can build it',
    advice: 'run "npm run image" once as root',
  },
  IMAGE_BASE_FAILED: {
    what: 'mmdebstrap could not build the base of the image: {detail}',
    advice: 'the base needs a Debian mirror once: set DEBIAN_MIRROR to one that can be reached',
  },
  IMAGE_PACKAGE_NOT_FETCHED: {
    what: 'npm cannot fetch {name}: {detail}',
    advice: 'an npm registry is needed once (npm config get registry); later builds take it from the cache',
  },
  IMAGE_PACKAGE_CHANGED: {
    what: 'what the npm registry has as {name} is {found}, not {expected}',
    advice: 'do not use it; ask whoever runs that registry',
  },
  IMAGE_LICENCE_UNKNOWN: {
    what: 'the licence of {name} is {licence}, which nobody has looked at',
    advice: 'read it; when it may go into the image, add it to scripts/image/materials.ts',
  },
  BUILD_STEP_FAILED: {
    what: '{step} failed: {detail}',
    advice: 'run "{command}" to see all of its output',
  },
})
