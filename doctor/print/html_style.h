/* SPDX-License-Identifier: MIT */
/* What of the page does not depend on the model: its looks, light and dark. */
#ifndef DOCTOR_PRINT_HTML_STYLE_H
#define DOCTOR_PRINT_HTML_STYLE_H

extern const char html_style[];

#endif
