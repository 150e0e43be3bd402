/*
 * version.h: the release; plugin and worker compare it in their first frame.
 * SPDX-License-Identifier: MIT
 */
#ifndef LG_VERSION
#define LG_VERSION "0.1.0"
#endif
