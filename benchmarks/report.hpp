// What the runner prints: the columns of nccl-tests, and the floor and the grid behind them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limits.hpp"
#include "machine.hpp"
#include "measure.hpp"
#include "options.hpp"

namespace bench {

void print_machine(const machine& where, const options& how, const std::string& nccl);
void print_limits(const limits& l);

void print_section(collective which);
void print_table_head(collective which, const implementation::identity& who);
void print_row(const row& r, collective which, const options& how);
void print_table_foot(const table& t);

// Why something is not measured.
void print_skipped(const std::string& what, const std::string& why);

void print_comparisons(std::span<const comparison> all);

// Elements that were wrong in any table.
std::uint64_t total_wrong(std::span<const table> tables);

}  // namespace bench
